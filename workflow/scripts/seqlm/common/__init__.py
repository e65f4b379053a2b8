"""What every room needs: errors in one clear line, files that are whole or not there, devices and costs, tables.

Nothing of biology or of learning enters here, and nothing heavy is imported before it is used.
"""
