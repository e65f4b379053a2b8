"""``python -m seqlm.console`` is ``seqlm``."""

from seqlm.console.main import main

main()
