"""From a request's messages or text to token ids: templates, their process, and the size of a prompt."""
