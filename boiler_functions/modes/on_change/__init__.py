"""On-change mode: functions that receive the changes of a model or a view, and webhooks."""
