"""The steps of a deployment: for each kind of resource, the commands of gcloud that make it."""
