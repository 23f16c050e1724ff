"""The faces: HTTP in all its dialects. They parse, ask the registry, and render."""
