"""What a study shows: tables collected from its jobs, figures drawn from these alone, and the page.

No network and no training library enters here.
"""
