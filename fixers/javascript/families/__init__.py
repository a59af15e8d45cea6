"""The templates for JavaScript, by what they change; `all_templates` is their table."""
