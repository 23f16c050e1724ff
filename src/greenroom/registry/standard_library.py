"""The names of the modules of Python's standard library, of every version there was.

They are written down here so that the index gives the same answer whatever Python runs it: a list
that grows and shrinks with the interpreter would give away names that people's older programs
import. As of 2026-11-28, these are the public modules of Python 2.7 and 3.6 to 3.14, those of
other systems than Linux too, without the tests of the standard library itself.

To renew it, run ``tests/registry/test_standard_library.py`` on a newer Python, and add what it
misses. Nothing is ever taken out.
"""

from packaging.utils import NormalizedName, canonicalize_name

_MODULES = """
    abc aepack aetools aetypes aifc AL al annotationlib antigravity anydbm argparse array ast
    asynchat asyncio asyncore atexit audiodev audioop autoGIL base64 BaseHTTPServer Bastion bdb
    binascii binhex bisect bsddb builtins bz2 calendar cd cgi CGIHTTPServer cgitb chunk cmath
    cmd code codecs codeop collections ColorPicker colorsys commands compileall compiler
    compression concurrent ConfigParser configparser contextlib contextvars Cookie cookielib
    copy copy_reg copyreg cPickle cProfile crypt cStringIO csv ctypes curses dataclasses
    datetime dbhash dbm decimal DEVICE Dialog difflib dircache dis distutils dl doctest
    DocXMLRPCServer dumbdbm dummy_thread dummy_threading EasyDialogs email encodings ensurepip
    enum errno exceptions faulthandler fcntl filecmp FileDialog fileinput findertools FixTk FL
    fl flp fm fnmatch formatter fpectl fpformat fractions FrameWork ftplib functools
    future_builtins gc gdbm genericpath gensuitemodule getopt getpass gettext GL gl glob
    graphlib grp gzip hashlib heapq hmac hotshot html htmlentitydefs htmllib HTMLParser http
    httplib ic idlelib ihooks imageop imaplib imgfile imghdr imp importlib imputil inspect io
    ipaddress itertools jpeg json keyword lib2to3 linecache linuxaudiodev locale logging lzma
    MacOS macostools macpath macurl2path mailbox mailcap markupbase marshal math md5 mhlib
    mimetools mimetypes MimeWriter mimify MiniAEFrame mmap modulefinder msilib msvcrt multifile
    multiprocessing mutex netrc new nis nntplib nt ntpath nturl2path numbers opcode operator
    optparse os os2emxpath ossaudiodev parser pathlib pdb pickle pickletools pipes pkgutil
    platform plistlib popen2 poplib posix posixfile posixpath pprint profile pstats pty pwd
    py_compile pyclbr pydoc pydoc_data pyexpat Queue queue quopri random re readline repr
    reprlib resource rexec rfc822 rlcompleter robotparser runpy sched ScrolledText secrets
    select selectors sets sgmllib sha shelve shlex shutil signal SimpleHTTPServer
    SimpleXMLRPCServer site smtpd smtplib sndhdr socket SocketServer socketserver spwd sqlite3
    sre sre_compile sre_constants sre_parse ssl stat statistics statvfs string StringIO
    stringold stringprep strop struct subprocess sunau sunaudio SUNAUDIODEV sunaudiodev symbol
    symtable sys sysconfig syslog tabnanny tarfile telnetlib tempfile termios test textwrap this
    thread threading time timeit Tix tkColorChooser tkCommonDialog Tkconstants Tkdnd
    tkFileDialog tkFont Tkinter tkinter tkMessageBox tkSimpleDialog toaiff token tokenize
    tomllib trace traceback tracemalloc ttk tty turtle turtledemo types typing unicodedata
    unittest urllib urllib2 urlparse user UserDict UserList UserString uu uuid venv warnings
    wave weakref webbrowser whichdb winreg winsound wsgiref xdrlib xml xmllib xmlrpc xmlrpclib
    zipapp zipfile zipimport zlib zoneinfo
"""

_SUBMODULES = {
    "asyncio": """
        async base_events base_futures base_subprocess base_tasks compat constants
        coroutines events exceptions format_helpers futures graph locks log mixins
        proactor_events protocols queues runners selector_events sslproto staggered streams
        subprocess taskgroups tasks test_utils threads timeouts tools transports trsock
        unix_events windows_events windows_utils
    """,
    "bsddb": "db dbobj dbrecio dbshelve dbtables dbutils",
    "collections": "abc",
    "compiler": "ast consts future misc pyassem pycodegen symbols syntax transformer visitor",
    "compression": "bz2 gzip lzma zlib zstd",
    "concurrent": "futures futures.interpreter futures.process futures.thread interpreters",
    "ctypes": "macholib macholib.dyld macholib.dylib macholib.framework util wintypes",
    "curses": "ascii has_key panel textpad wrapper",
    "dbm": "dumb gnu ndbm sqlite3",
    "distutils": """
        archive_util bcppcompiler ccompiler cmd command command.bdist command.bdist_dumb
        command.bdist_msi command.bdist_rpm command.bdist_wininst command.build
        command.build_clib command.build_ext command.build_py command.build_scripts
        command.check command.clean command.config command.install command.install_data
        command.install_egg_info command.install_headers command.install_lib
        command.install_scripts command.register command.sdist command.upload config core
        cygwinccompiler debug dep_util dir_util dist emxccompiler errors extension
        fancy_getopt file_util filelist log msvc9compiler msvccompiler spawn sysconfig
        text_file unixccompiler util version versionpredicate
    """,
    "email": """
        base64mime charset contentmanager encoders errors feedparser generator header
        headerregistry iterators message mime mime.application mime.audio mime.base
        mime.image mime.message mime.multipart mime.nonmultipart mime.text parser policy
        quoprimime utils
    """,
    "encodings": """
        aliases ascii base64_codec big5 big5hkscs bz2_codec charmap cp037 cp1006 cp1026
        cp1125 cp1140 cp1250 cp1251 cp1252 cp1253 cp1254 cp1255 cp1256 cp1257 cp1258 cp273
        cp424 cp437 cp500 cp65001 cp720 cp737 cp775 cp850 cp852 cp855 cp856 cp857 cp858
        cp860 cp861 cp862 cp863 cp864 cp865 cp866 cp869 cp874 cp875 cp932 cp949 cp950
        euc_jis_2004 euc_jisx0213 euc_jp euc_kr gb18030 gb2312 gbk hex_codec hp_roman8 hz
        idna iso2022_jp iso2022_jp_1 iso2022_jp_2 iso2022_jp_2004 iso2022_jp_3
        iso2022_jp_ext iso2022_kr iso8859_1 iso8859_10 iso8859_11 iso8859_13 iso8859_14
        iso8859_15 iso8859_16 iso8859_2 iso8859_3 iso8859_4 iso8859_5 iso8859_6 iso8859_7
        iso8859_8 iso8859_9 johab koi8_r koi8_t koi8_u kz1048 latin_1 mac_arabic
        mac_centeuro mac_croatian mac_cyrillic mac_farsi mac_greek mac_iceland mac_latin2
        mac_roman mac_romanian mac_turkish mbcs oem palmos ptcp154 punycode quopri_codec
        raw_unicode_escape rot_13 shift_jis shift_jis_2004 shift_jisx0213 string_escape
        tis_620 undefined unicode_escape unicode_internal utf_16 utf_16_be utf_16_le utf_32
        utf_32_be utf_32_le utf_7 utf_8 utf_8_sig uu_codec zlib_codec
    """,
    "hotshot": "log stats stones",
    "html": "entities parser",
    "http": "client cookiejar cookies server",
    "idlelib": """
        AutoComplete AutoCompleteWindow AutoExpand Bindings CallTipWindow CallTips
        ClassBrowser CodeContext ColorDelegator Debugger Delegator EditorWindow FileList
        FormatParagraph GrepDialog HyperParser IOBinding IdleHistory MultiCall
        MultiStatusBar ObjectBrowser OutputWindow ParenMatch PathBrowser Percolator PyParse
        PyShell RemoteDebugger RemoteObjectBrowser ReplaceDialog RstripExtension
        ScriptBinding ScrolledList SearchDialog SearchDialogBase SearchEngine StackViewer
        ToolTip TreeWidget UndoDelegator WidgetRedirector WindowList ZoomHeight aboutDialog
        autocomplete autocomplete_w autoexpand browser calltip calltip_w codecontext
        colorizer config configDialog configHandler configHelpSourceEdit
        configSectionNameDialog config_key configdialog debugger debugger_r debugobj
        debugobj_r delegator dynOptionMenuWidget dynoption editor filelist format grep help
        help_about history hyperparser idle idlever iomenu keybindingDialog macosx
        macosxSupport mainmenu multicall outwin paragraph parenmatch pathbrowser percolator
        pyparse pyshell query redirector replace rpc rstrip run runscript scrolledlist
        search searchbase searchengine sidebar squeezer stackviewer statusbar tabbedpages
        textView textview tooltip tree undo util window zoomheight zzdummy
    """,
    "importlib": """
        abc machinery metadata metadata.diagnose readers resources resources.abc
        resources.readers resources.simple simple util
    """,
    "json": "decoder encoder scanner tool",
    "lib2to3": """
        btm_matcher btm_utils fixer_base fixer_util fixes fixes.fix_apply fixes.fix_asserts
        fixes.fix_basestring fixes.fix_buffer fixes.fix_dict fixes.fix_except fixes.fix_exec
        fixes.fix_execfile fixes.fix_exitfunc fixes.fix_filter fixes.fix_funcattrs
        fixes.fix_future fixes.fix_getcwdu fixes.fix_has_key fixes.fix_idioms
        fixes.fix_import fixes.fix_imports fixes.fix_imports2 fixes.fix_input
        fixes.fix_intern fixes.fix_isinstance fixes.fix_itertools
        fixes.fix_itertools_imports fixes.fix_long fixes.fix_map fixes.fix_metaclass
        fixes.fix_methodattrs fixes.fix_ne fixes.fix_next fixes.fix_nonzero
        fixes.fix_numliterals fixes.fix_operator fixes.fix_paren fixes.fix_print
        fixes.fix_raise fixes.fix_raw_input fixes.fix_reduce fixes.fix_reload
        fixes.fix_renames fixes.fix_repr fixes.fix_set_literal fixes.fix_standarderror
        fixes.fix_sys_exc fixes.fix_throw fixes.fix_tuple_params fixes.fix_types
        fixes.fix_unicode fixes.fix_urllib fixes.fix_ws_comma fixes.fix_xrange
        fixes.fix_xreadlines fixes.fix_zip main patcomp pgen2 pgen2.conv pgen2.driver
        pgen2.grammar pgen2.literals pgen2.parse pgen2.pgen pgen2.token pgen2.tokenize
        pygram pytree refactor
    """,
    "logging": "config handlers",
    "multiprocessing": """
        connection context dummy dummy.connection forking forkserver heap managers pool
        popen_fork popen_forkserver popen_spawn_posix popen_spawn_win32 process queues
        reduction resource_sharer resource_tracker semaphore_tracker shared_memory
        sharedctypes spawn synchronize util
    """,
    "os": "path",
    "pathlib": "types",
    "pydoc_data": "topics",
    "pyexpat": "errors model",
    "sqlite3": "dbapi2 dump",
    "string": "templatelib",
    "test": "libregrtest regrtest support test_support",
    "tkinter": """
        colorchooser commondialog constants dialog dnd filedialog font messagebox
        scrolledtext simpledialog tix ttk
    """,
    "turtledemo": """
        bytedesign chaos clock colormixer forest fractalcurves lindenmayer minimal_hanoi nim
        paint peace penrose planet_and_moon rosette round_dance sorting_animate tree
        two_canvases yinyang
    """,
    "unittest": "async_case case loader main mock result runner signals suite util",
    "urllib": "error parse request response robotparser",
    "wsgiref": "handlers headers simple_server types util validate",
    "xml": """
        dom dom.NodeFilter dom.domreg dom.expatbuilder dom.minicompat dom.minidom
        dom.pulldom dom.xmlbuilder etree etree.ElementInclude etree.ElementPath
        etree.ElementTree etree.cElementTree parsers parsers.expat sax sax.expatreader
        sax.handler sax.saxutils sax.xmlreader
    """,
    "xmlrpc": "client server",
}

TOP_LEVEL: frozenset[NormalizedName] = frozenset(map(canonicalize_name, _MODULES.split()))
"""Modules and packages that are imported by a name without a dot, as names of projects."""

SUBMODULES: frozenset[NormalizedName] = frozenset(
    canonicalize_name(f"{package}.{module}")
    for package, modules in _SUBMODULES.items()
    for module in modules.split()
)
"""Modules in packages: ``xmlrpc.server`` is here as ``xmlrpc-server``."""

BACKPORTS: frozenset[NormalizedName] = frozenset(
    map(
        canonicalize_name,
        (
            "argparse",
            "configparser",
            "contextvars",
            "dataclasses",
            "faulthandler",
            "importlib-metadata",
            "importlib-resources",
            "ipaddress",
            "pathlib",
            "statistics",
            "typing",
        ),
    )
)
"""Projects that bear the name of a module rightly: they bring it to Pythons that lack it."""
