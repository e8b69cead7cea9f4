"""Views: a Store declares what to read, a view model what to compute from it, and a build does both."""
