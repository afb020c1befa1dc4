from portal.audit import chain_anchors, hash_chain
from portal.audit.chain_command import ChainCommand, ChainKind


class Command(ChainCommand):
    help = "Walk every chain of the audit record and tell the first break of each."
    chains = ChainKind(
        "entries",
        chain_anchors.PURPOSE,
        hash_chain.find_breaks,
        hash_chain.list_ends,
        hash_chain.is_contradicted,
    )
