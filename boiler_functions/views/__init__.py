"""What a view is: a Store that says what to read, a view model that says what to make of it, and its build."""
