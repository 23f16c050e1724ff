"""Other indexes, as this one reads them: requests that go nowhere else, and their pages."""
