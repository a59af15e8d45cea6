"""Small forges for tests: a real git server with a stateful REST API in the words of GitHub, GitLab or Gitea.

Nothing answered is made up beforehand: requests live in a store, merges are commits in a real repository. Every request
and every answer is held against the API's published description (see `published`).
"""
