"""The words for any applicant tracking system: records, permissions, errors and the port."""
