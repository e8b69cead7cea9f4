"""What follows from a compiled app, and is never served: indexes, security rules, costs, advice, the graph."""
