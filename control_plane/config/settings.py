"""Django settings. What differs between installations comes from `env.py` and nowhere else."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from control_plane.api import schema_settings as api_schema
from control_plane.config import admin_look, json_log, tracing
from control_plane.config import env as environment

ENV = environment.read_or_exit(os.environ)
BASE_DIR = Path(__file__).resolve().parent.parent

SECRET_KEY = ENV.secret_key
DEBUG = ENV.debug
ALLOWED_HOSTS = ENV.allowed_hosts
ROOT_URLCONF = "control_plane.config.urls"
ASGI_APPLICATION = "control_plane.config.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    # Before the admin, whose templates it replaces; "Basic", because the site is ours.
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "control_plane.config.admin_app.SluiceAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    # Before staticfiles: `runserver` then serves static files the way production does.
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "simple_history",
    "axes",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "control_plane.config",
    "control_plane.merchants",
    "control_plane.api",
    "control_plane.campaigns",
    "control_plane.pages",
    "control_plane.inventory",
    "control_plane.orders",
    "control_plane.payments",
    "control_plane.dead_letters",
    "control_plane.reconciliation",
    "control_plane.webhooks",
    "control_plane.queues",
    "control_plane.snapshot",
    "control_plane.switches",
    "control_plane.risk",
    "control_plane.warehouse",
    "control_plane.board",
    "control_plane.privacy",
    "control_plane.drills",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "control_plane.config.static_files.StaticFiles",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    # Tells the history of a row who changed it.
    "simple_history.middleware.HistoryRequestMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# Databases ------------------------------------------------------------------------------------


def _database(database: environment.Database) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": database.name,
        "USER": database.user,
        "PASSWORD": database.password,
        "HOST": database.host,
        "PORT": database.port,
        # A process that is frozen in a transaction holds its locks; its server ends it after this.
        "OPTIONS": {
            "connect_timeout": 5,
            # A server that is gone without a word (its host, a firewall in between) is no answer
            # after half a minute; Linux alone would wait for two hours.
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 30_000,
            "options": "-c idle_in_transaction_session_timeout=10s",
            **database.options,
        },
        # Celery's tasks reuse a connection; asgi.py sets 0, because under ASGI every request runs
        # in a thread of its own and a kept connection would stay behind with that thread.
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
    }


DATABASES = {"default": _database(ENV.sale), "inventory": _database(ENV.inventory)}
DATABASE_ROUTERS = ["control_plane.config.routers.WarehouseRouter"]

# Language and time ----------------------------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
# Ours, and the words of libraries that have no Chinese of their own.
LOCALE_PATHS = [BASE_DIR / "locale", BASE_DIR / "library_words"]
FORMAT_MODULE_PATH = ["control_plane.config.formats"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = ENV.time_zone

# Static files: served by WhiteNoise straight from the packages, so that no collectstatic is needed.

STATIC_URL = "static/"
# The board's page is built with the edge's (edge-workers/build.mjs).
STATICFILES_DIRS = [BASE_DIR.parent / "edge-workers" / "dist" / "static"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
WHITENOISE_ALLOW_ALL_ORIGINS = False

# Passwords and browser security -----------------------------------------------------------------

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
# The first refuses who was wrong too often; the second looks at the password.
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "control_plane.config.second_factor.Backend",
]
AXES_FAILURE_LIMIT = ENV.console.sign_in_failures
AXES_COOLOFF_TIME = timedelta(minutes=ENV.console.sign_in_lock_minutes)
# Of one name from one address: a name alone could be locked by anybody who knows it.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_CALLABLE = "control_plane.config.sign_in.locked_out"
AXES_CLIENT_IP_CALLABLE = "control_plane.config.sign_in.client_address"
AXES_SENSITIVE_PARAMETERS: list[str] = []
# Sign-ins that succeed are in the log of the console; its own page shows what failed.
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
OTP_TOTP_ISSUER = "Sluice"
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
# The console in front writes this header anew and passes Host on as the browser sent it. So the
# CSRF check compares Origin with the console's own address, and needs neither USE_X_FORWARDED_HOST
# nor CSRF_TRUSTED_ORIGINS.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = ENV.console.ssl_redirect
# Asked by processes on the house's own network, without the console and without TLS.
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^internal/"]
SECURE_HSTS_SECONDS = ENV.console.hsts_s
SECURE_HSTS_INCLUDE_SUBDOMAINS = ENV.console.hsts_subdomains
# `check --deploy` asks for two promises about other hosts of the shop's domain. Whether they hold
# is nothing this installation can know: SLUICE_HSTS_SUBDOMAINS makes the first one.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = ENV.console_scheme == "https"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"

# Admin: how django-unfold looks ------------------------------------------------------------------

UNFOLD = admin_look.UNFOLD

# API --------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework.authentication.BasicAuthentication",
        # Before the session: a key in the request is meant, a cookie comes along.
        "control_plane.api.authentication.KeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["control_plane.config.permissions.StaffWithModelPermissions"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["control_plane.api.parsers.JsonParser"],
    "EXCEPTION_HANDLER": "control_plane.config.problems.exception_handler",
    "DEFAULT_PAGINATION_CLASS": "control_plane.api.pagination.Pages",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_THROTTLE_CLASSES": ["control_plane.api.throttling.PerCaller"],
    "DEFAULT_SCHEMA_CLASS": "control_plane.api.schema.Schema",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Sluice",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"persistAuthorization": False, "displayRequestDuration": True},
    "COMPONENT_SPLIT_REQUEST": True,
    **api_schema.SETTINGS,
}

tracing.configure(ENV.otlp_url, ENV.process)
LOGGING = json_log.config(ENV.log_level, ENV.process)
