# Functions that unpack packages of Debian 13 into .toolchain/. They need no root and change nothing outside it.
# Scripts that source this file set $root and $advice. $advice tells users how to proceed if this fails.
# shellcheck shell=bash disable=SC2154

toolchain=$root/.toolchain

note() { printf '%s\n' "$*" >&2; }
fail() { note "$(basename "$0" .sh): $*"; exit 1; }
have_apt() { command -v apt-get > /dev/null && command -v dpkg-deb > /dev/null; }

# temporary_folder: prints a new folder in .toolchain/. Folders of killed runs are removed after an hour.
temporary_folder() {
  mkdir -p "$toolchain"
  find "$toolchain" -maxdepth 1 -name 'unfinished.*' -mmin +60 -exec rm -rf {} +
  mktemp -d "$toolchain/unfinished.XXXXXX"
}

# publish FOLDER NAME: renames the finished FOLDER to NAME in one step. If another process was quicker, its copy stays.
publish() {
  mv -T "$1" "$2" 2> /dev/null || [ -d "$2" ] || fail "cannot write $2."
}

# archives: prints the addresses of the machine's package archives, for every format of its source lists. Leaves out
# security archives, because they hold no whole suite. --no-release-info also shows the archives that apt has fetched no
# package lists from.
archives() {
  # shellcheck disable=SC2016 # apt's own variables
  apt-get indextargets --no-release-info --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    awk '$3 == "main" && $1 !~ /security/ && $2 !~ /security/ && !seen[$1]++ { print $1 }'
}

# private_apt DIR COMMAND...: runs apt-get with lists, cache and status in DIR; the system's do not change. The status
# file is empty, so apt resolves all dependencies. Signatures are always verified.
private_apt() {
  local dir=$1
  shift
  apt-get -qq \
    -o Dir::Etc::SourceList="$dir/sources.list" -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null \
    -o Dir::State="$dir/state" -o Dir::State::Lists="$dir/lists" -o Dir::State::Status="$dir/status" \
    -o Dir::Cache="$dir/cache" -o APT::Install-Recommends=false -o Acquire::Languages=none \
    -o APT::Get::AllowUnauthenticated=false -o Acquire::AllowInsecureRepositories=false \
    -o Acquire::Retries=4 -o APT::Update::Error-Mode=any -o APT::Sandbox::User="$(id -un)" "$@"
}

# select_suite DIR: writes DIR/sources.list for the first archive that has the suite, and fetches its package list.
select_suite() {
  local dir=$1 archive suite=trixie keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  [ -f "$keyring" ] || fail "packages can be fetched on Debian only, and $keyring is missing: $advice."
  : > "$dir/status"
  mkdir -p "$dir"/{state,lists/partial,cache/archives/partial}
  for archive in $(archives); do
    printf 'deb [signed-by=%s] %s %s main\n' "$keyring" "$archive" "$suite" > "$dir/sources.list"
    if private_apt "$dir" update > "$dir/update.log" 2>&1; then return; fi
  done
  if [ -s "$dir/update.log" ]; then cat "$dir/update.log" >&2; fi
  if grep -qsE 'NO_PUBKEY|not signed|Missing key' "$dir/update.log"; then
    fail "$keyring cannot verify Debian's suite '$suite': update the package debian-archive-keyring, or $advice."
  fi
  fail "no package archive of this machine has Debian's suite '$suite': $advice."
}

# download DIR NAME...: downloads packages into DIR/packages.
download() {
  local dir=$1 attempt
  shift
  mkdir "$dir/packages"
  # Tried three times, because apt-get download fails if one package fails.
  for attempt in 1 2 3; do
    if (cd "$dir/packages" && private_apt "$dir" download "$@" >&2); then return; fi
    note "Download failed (attempt $attempt of 3)."
    sleep $((attempt * 3))
  done
  fail "the packages cannot be downloaded: try again, or $advice."
}
