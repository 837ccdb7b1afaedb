"""The read-only API: findings, groups and runs as JSON or CSV, for a CRM, a spreadsheet, a script."""
