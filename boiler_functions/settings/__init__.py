"""Settings of an app: the options of its functions, and the limits of its HTTP function and its sockets."""
