"""What an app's author may set: options of functions, and what HTTP and sockets admit."""
