"""Any table in, any schema out: readers and writers by format, cells to values."""
