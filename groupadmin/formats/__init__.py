"""How Django writes dates: as the pages of our own do (FORMAT_MODULE_PATH)."""
