"""What is derived from a compiled app and not deployed as code: indexes, security rules, costs, advice, the graph."""
