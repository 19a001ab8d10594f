"""What every room may use: text, files, stored values, versions, processes."""
