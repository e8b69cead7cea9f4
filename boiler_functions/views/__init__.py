"""Views: a Store declares what to read, a view model what to compute from it, and a build does both.

docs/glossary.md defines the words that are used in one sense only: root, key, instance, copy, token, scope.
"""
