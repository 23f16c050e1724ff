"""What is inside a distribution file: a path goes in, a value or an error comes out.

Pure: nothing here knows of projects, users, databases or HTTP.
"""
