"""What the black-box tests are made of: the program, raw HTTP, readers of each transport, a proxy that cuts."""
