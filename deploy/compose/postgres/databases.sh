#!/bin/bash
# Run once by the official image, when its data folder is empty: the two databases and their owners.
set -euo pipefail
for name in sale inventory; do
  password=$(cat "/run/secrets/${name}_password")
  psql --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --set "password=$password" <<SQL
CREATE ROLE $name LOGIN PASSWORD :'password';
CREATE DATABASE $name OWNER $name;
SQL
done
