"""What people read afterwards: the morning report and its notifiers."""
