"""The index over HTTP, in parts by audience. ``application`` composes them."""

from greenroom.unread import import_without
from greenroom.web.package_files import import_pyramid

import_pyramid()
# It asks the driver of PostgreSQL, which is there where that is the database, for an exception.
import_without("zope.sqlalchemy", "psycopg2")
