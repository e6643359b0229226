"""Every file that a deployment takes from here is valid, and a broken one is noticed. Part of `make check`."""
