"""What a program finds around it and should: variables, configuration keys, files, permissions. Only proposals."""
