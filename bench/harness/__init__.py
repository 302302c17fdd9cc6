"""What `bench/run` is made of: programs to measure, rows of the table, figures, and the page they become."""
