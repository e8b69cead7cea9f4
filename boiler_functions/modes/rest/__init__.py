"""REST mode: one function, `api`, serves views over HTTP. `mode` is cheap to import; Flask comes with `application`."""
