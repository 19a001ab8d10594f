"""Read two answers and compare them by rules, without symbolic algebra."""
