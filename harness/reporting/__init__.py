"""Everything people look at: text tables, plots, and the HTML report."""
