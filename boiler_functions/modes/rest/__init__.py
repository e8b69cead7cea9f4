"""REST mode: views served over HTTP by one function, `api`. Its door is cheap; Flask comes with the first request."""
