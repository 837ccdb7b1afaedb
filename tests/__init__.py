"""The specification of Group Admin, one file a feature. `conftest.py` holds what they share."""
