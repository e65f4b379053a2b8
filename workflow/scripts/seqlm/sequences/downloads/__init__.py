"""Files from addresses or folders, checked, and brought into one form."""
