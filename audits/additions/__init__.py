"""The report that the operating procedure demands after every addition.

| module | what |
| --- | --- |
| `lines` | what became of everybody in every group, line by line |
| `summary` | the operation in a few facts |
| `markdown`, `workbook` | the two files |
| `report` | their name, and keeping them with the operation |
"""
