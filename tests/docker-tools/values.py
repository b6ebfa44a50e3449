"""What ./calls writes: values as Nix text. A text that occurs twice is twice as likely."""

DIGEST = "sha256:473a2b527958665554806aea24d0131bacec46d23af09fef4598eeab331850fa"

PACKAGES = ["pkgs.hello", "pkgs.bash", "pkgs.coreutils", "pkgs.redis", "pkgs.cacert"]

ROOTS = PACKAGES + [
    '"${pkgs.hello}"',
    '"${pkgs.hello}/share"',
    '(pkgs.writeTextDir "etc/motd" "hello")',
    '(pkgs.runCommand "root" { } "mkdir $out")',
    "./files",
    "dockerTools.binSh",
    "dockerTools.usrBinEnv",
    "dockerTools.caCertificates",
    "dockerTools.fakeNss",
    "null",
    "[ ]",
    "[ pkgs.hello [ pkgs.bash ] ]",
    '""',
]

DATES = [
    '"now"',
    '"now"',
    '"1970-01-01T00:00:01Z"',
    '"2024-05-17T08:30:00Z"',
    '"2024-05-17T08:30:00.25Z"',
    '"2024-05-17T08:30:00+02:00"',
    '"2024-05-17T08:30:00+0200"',
    '"2024-05-17T08:30:00"',
    '"2024-05-17 08:30:00"',
    '"2024-05-17"',
    '"20240517"',
    '"20240517T083000Z"',
    '"20240517083000"',
    '(builtins.substring 0 8 "20240517083000")',
    '"2024-W20-5"',
    '"2024-138"',
    "0",
    "1715934600",
    "null",
]

WRONG_DATES = ['"unknown"', '"yesterday"', '"17 May 2024"', '""', '"1715934600"', '"@1715934600"', "true", "[ ]"]

NAMES = [
    '"app"',
    '"app"',
    '"my-app_2.0"',
    '"team/app"',
    '"Team/App"',
    '"registry.example:5000/team/app"',
    '"ghcr.io/Some-Org/App"',
    '"localhost/app"',
    '"${pkgs.hello.name}"',
    "pkgs.hello.name",
    '(builtins.baseNameOf "${pkgs.hello}")',
    '(toString "app")',
]

WRONG_NAMES = ["null", "5", '"my app"', '"app:1"', '"app/"', '""', '"${pkgs.hello}"', "{ }", "[ ]", "./script"]

TAGS = [
    "null",
    '"latest"',
    '"latest"',
    '"v1.2.3"',
    '"1.0-${builtins.substring 0 8 "20240517083000"}"',
    '(builtins.baseNameOf "${pkgs.hello}")',
    '(builtins.substring 11 32 "${pkgs.hello}")',
    "(toString 5)",
    '"A_b.C-d"',
]

WRONG_TAGS = ['""', '"a b"', '"1.0+build"', "5", "1.5", "[ ]", "{ }", '"${pkgs.hello}"', "true"]

NUMBERS = ["0", "1000", "1000", "65534"]
WRONG_NUMBERS = ['"1000"', '"nobody"', "null", "(0 - 1)", "1.5", "[ ]", "{ }"]

BOOLS = ["true", "true", "false"]
WRONG_BOOLS = ["null", '"yes"', "1", "[ ]"]

ARCHITECTURES = ['"amd64"', '"arm64"', '"riscv64"', '"386"']
WRONG_ARCHITECTURES = ['"x86_64"', '"aarch64"', '"arm/v7"', "null", "5", "[ ]"]

COMPRESSORS = ['"none"', '"gz"', '"zstd"']
WRONG_COMPRESSORS = ['"xz"', '""', '"gzip"', "null", "5"]

SCRIPTS = [
    '""',
    '"mkdir -p data"',
    '"${pkgs.hello}/bin/hello"',
    "''\n  #!${pkgs.runtimeShell}\n  mkdir -m 1777 tmp\n''",
    "./script",
    '(pkgs.writeScript "script" "true")',
]
WRONG_SCRIPTS = ["null", "5", "true", "{ }", '[ "true" "false" ]']

META = ["{ }", '{ description = "An image"; }', '{ mainProgram = "app"; }', "pkgs.hello.meta or { }"]

IMAGES = [
    "null",
    '(dockerTools.buildImage { name = "base"; })',
    '(dockerTools.buildLayeredImage { name = "base"; tag = "1"; })',
    '"${dockerTools.buildImage { name = "base"; }}"',
    "./script",
    '(dockerTools.mergeImages [ (dockerTools.buildImage { name = "base"; tag = "1"; }) ])',
    f'(dockerTools.pullImage {{ imageName = "base"; imageDigest = "{DIGEST}"; sha256 = "{"0" * 52}"; }})',
]
WRONG_IMAGES = ["5", "{ }", "true", '"/nowhere.tar"', '(dockerTools.streamLayeredImage { name = "base"; })']

PIPELINES = [
    '[ [ "limit_layers" 3 ] ]',
    '[ [ "popularity_contest" ] [ "limit_layers" 100 ] ]',
    '[ [ "subcomponent_out" [ pkgs.hello ] ] [ "over" "rest" [ "popularity_contest" ] ] ]',
    '[ [ "split_paths" [ "${pkgs.hello}" ] ] [ "flatten" ] [ "reverse" ] ]',
    '[ [ "remove_paths" pkgs.hello ] ]',
    '(pkgs.writeText "pipeline.json" "[ ]")',
    "./pipeline.json",
]
WRONG_PIPELINES = ["5", "true", "[ ]", '[ [ "shuffle" ] ]', '"popularity_contest"', "{ }"]

# Keys of the configuration, in their right case; what engines take for them, and what they do not.
LIST = (
    ['[ "hello" ]', '[ "${pkgs.hello}/bin/hello" "--help" ]', "[ pkgs.hello ]", "[ ]", "null", '"hello"'],
    ["5", "[ 5 ]", "{ }", "[ null ]"],
)
TEXT = (['"/data"', '""', '"/srv/app"'], ["5", "[ ]", "true"])
SETS = (['{ "/data" = { }; }', "{ }", "null"], ['[ "/data" ]', '"/data"', "5", '{ "/data" = 5; }'])
CONFIG = {
    "Cmd": LIST,
    "Entrypoint": LIST,
    "Env": (
        ['[ "A=b" ]', '[ "PATH=${pkgs.hello}/bin" "EMPTY=" "EQUAL=a=b" ]', "[ ]", "null"],
        ['{ A = "b"; }', "[ 5 ]", '"A=b"', '[ "=b" ]'],
    ),
    "User": (['"1000"', '"nobody"', '"1000:100"', '""'], ["1000", "[ ]"]),
    "WorkingDir": TEXT,
    "Volumes": SETS,
    "ExposedPorts": (
        ['{ "80/tcp" = { }; }', '{ "${toString 8080}/tcp" = { }; "53/udp" = { }; "9000" = { }; }', "{ }", "null"],
        ['[ "80/tcp" ]', '{ "80/tcpp" = { }; }', '"80/tcp"', '{ "http" = { }; }'],
    ),
    "Labels": (['{ "org.example.source" = "here"; }', "{ }", "null"], ["{ a = 1; }", '[ "a=b" ]']),
    "StopSignal": (['"SIGTERM"', '"9"'], ["9", "[ ]"]),
    "Healthcheck": (
        [
            '{ Test = [ "CMD" "true" ]; Interval = 30000000000; Retries = 3; }',
            '{ test = [ "CMD-SHELL" "true" ]; interval = 1000000; }',
            '{ Test = [ "NONE" ]; }',
        ],
        ['{ Test = [ "CMD" "true" ]; Interval = "30s"; }', '{ Test = [ "TRUE" ]; }', "[ ]"],
    ),
    "Shell": LIST,
    "StopTimeout": (["10"], ['"10"']),
    "Hostname": (['"app"'], ["5"]),
    "Tty": (["true", "false"], ['"yes"']),
}
UNKNOWN_KEYS = ["Expose", "Workdir", "Home", "Command", "HostConfig", "Privileged", "Maintainer", "Environment"]
