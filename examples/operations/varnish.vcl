vcl 4.1;

# Varnish in front of Greenroom: it keeps what the index lets shared caches keep, and forgets it by
# surrogate key as soon as the index says so. README.md says how to run it.

import std;
import xkey;

backend index {
    .host = "127.0.0.1";
    .port = "6543";
    # An upload of a gigabyte is looked into before it is answered.
    .first_byte_timeout = 300s;
    .between_bytes_timeout = 300s;
}

# Who may purge: the machines that run the index.
acl index_machines {
    "127.0.0.1";
    "::1";
}

sub vcl_recv {
    # What is over is shown only where the index fails: then the request is begun again.
    unset req.http.X-Begun-Again;
    set req.grace = 0s;
    if (req.restarts > 0) {
        set req.http.X-Begun-Again = "1";
        set req.grace = 1d;
    }

    # Not what a client says of itself; Varnish adds the client's address to X-Forwarded-For.
    unset req.http.X-Forwarded-Host;

    # GREENROOM_PURGE_URL and GREENROOM_PURGE_TOKEN of the index.
    if (req.url == "/.purge") {
        if (req.method != "POST" || client.ip !~ index_machines ||
            req.http.Authorization != "Bearer replace-this-token") {
            return (synth(403));
        }
        set req.http.X-Purged = xkey.purge(req.http.Surrogate-Key);
        return (synth(200));
    }

    # Secret addresses: they are no business of a cache, whatever the answer says.
    if (req.url ~ "^/draft/") {
        return (pass);
    }

    # Signed-in people and uploads: their answers are theirs. Varnish does not keep answers to
    # requests that have a cookie or credentials, and passes on everything but GET and HEAD.
    if (req.url ~ "^/(simple|packages)/") {
        # These are the same for everybody; browsers send their cookies here too.
        unset req.http.Cookie;
    }

    # The index chooses between forms of a page; installers ask for the same one in many spellings.
    if (req.url ~ "^/simple/") {
        if (req.http.Accept ~ "^application/vnd\.pypi\.simple\.v1\+json(, ?(application/vnd\.pypi\.simple\.v1\+html|text/html|\*/\*) ?; ?q=0\.\d+)*$") {
            set req.http.Accept = "application/vnd.pypi.simple.v1+json";
        } elsif (!req.http.Accept || req.http.Accept == "*/*" || req.http.Accept ~ "^text/html(?!.*vnd\.pypi)(,application/x[a-z+]+)*(,[a-z*/+-]+;q=0\.\d|,image/[a-z+]+)*$") {
            set req.http.Accept = "text/html";
        }
    }
}

sub vcl_backend_response {
    set beresp.http.xkey = beresp.http.Surrogate-Key;
    # What is over is asked for again with its ETag.
    set beresp.keep = 1h;
    # Not longer than this after a purge that did not arrive.
    if (beresp.ttl > 1d) {
        set beresp.ttl = 1d;
    }
    # After its time nothing is shown any more, so that the index is never older than a minute;
    # unless the index fails, for as long as it says (GREENROOM_STALE_SECONDS).
    set beresp.grace = 0s;
    if (beresp.status < 400 && beresp.http.Cache-Control ~ "stale-if-error=[0-9]+") {
        set beresp.grace = std.duration(
            regsub(beresp.http.Cache-Control, "^.*stale-if-error=([0-9]+).*$", "\1s"), 0s);
    }
    # A failure does not stand in the way of what is kept.
    if (beresp.status >= 500 && !bereq.uncacheable &&
        (bereq.is_bgfetch || !bereq.http.X-Begun-Again)) {
        return (abandon);
    }
    # Large files would push everything else out.
    if (std.integer(beresp.http.Content-Length, 0) > 67108864) {
        set beresp.uncacheable = true;
        set beresp.ttl = 1h;
    }
}

sub vcl_backend_error {
    if (!bereq.uncacheable && (bereq.is_bgfetch || !bereq.http.X-Begun-Again)) {
        return (abandon);
    }
}

sub vcl_deliver {
    if (req.restarts > 0 && resp.status < 500) {
        set resp.http.Warning = {"110 - "Response is Stale""};
    }
    unset resp.http.xkey;
    unset resp.http.Surrogate-Key;
    if (obj.hits > 0) {
        set resp.http.X-Cache = "HIT";
    } else {
        set resp.http.X-Cache = "MISS";
    }
}

sub vcl_synth {
    if (resp.status == 503 && req.restarts == 0) {
        return (restart);
    }
    if (req.http.X-Purged) {
        set resp.http.X-Purged = req.http.X-Purged;
    }
}
