"""Configuration: one YAML file plus the environment, checked to the last key before anything starts."""

from nightshift.daemon.config.errors import ConfigError
from nightshift.daemon.config.load import find_config, load_config
from nightshift.daemon.config.references import UNSET
from nightshift.daemon.config.services import ServiceSettings
from nightshift.daemon.config.settings import Config

__all__ = ["UNSET", "Config", "ConfigError", "ServiceSettings", "find_config", "load_config"]
