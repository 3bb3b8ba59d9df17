using OrleansPd.Core.Policies;
using OrleansPd.Core.Workers;
using OrleansPd.Server.Settings;
using OrleansPd.Testing;
using OrleansPd.Tools.Output;

namespace OrleansPd.Server.Tests.Settings;

public sealed class GatewaySettingsTests
{
    public static TheoryData<string, string, string> ValueFlags => new()
    {
        { "host", "127.0.0.1", "Host" },
        { "port", "8000", "Port" },
        { "max-payload-size", "2048", "MaxPayloadSize" },
        { "request-timeout-secs", "77", "RequestTimeoutSecs" },
        { "first-output-timeout-secs", "78", "FirstOutputTimeoutSecs" },
        { "strict-model", "true", "StrictModel" },
    };

    [Theory]
    [MemberData(nameof(ValueFlags))]
    public void A_setting_is_the_same_by_flag_environment_and_file(string flag, string value, string property)
    {
        using var file = new TemporaryFile($"{{\"Gateway\": {{\"{property}\": \"{value}\"}}}}", "json");
        var variable = ($"ORLEANSPD_GATEWAY__{property.ToUpperInvariant()}", value);

        Assert.Equal(value, Read(new CommandLineTestBed().Load($"--{flag}", value)));
        Assert.Equal(value, Read(new CommandLineTestBed(variable).Load()));
        Assert.Equal(value, Read(new CommandLineTestBed().Load("--config", file.Path)));

        string? Read(GatewaySettings settings) =>
            settings.Options.GetType().GetProperty(property)!.GetValue(settings.Options)!.ToString()!.ToLowerInvariant();
    }

    [Fact]
    public void A_flag_beats_the_environment_which_beats_the_file_which_beats_the_default()
    {
        using var file = new TemporaryFile("""{"Gateway": {"Port": 1, "Host": "1.1.1.1", "MaxBatch": 7}}""", "json");
        var bed = new CommandLineTestBed(("ORLEANSPD_GATEWAY__PORT", "2"), ("ORLEANSPD_GATEWAY__HOST", "2.2.2.2"));

        var options = bed.Load("--config", file.Path, "--port", "3").Options;

        Assert.Equal((3, "2.2.2.2", 7, 64), (options.Port, options.Host, options.MaxBatch, options.MaxJsonDepth));
    }

    [Fact]
    public void Nothing_given_is_the_routers_defaults()
    {
        var options = new CommandLineTestBed().Load().Options;

        Assert.Equal(("0.0.0.0", 30000, 1800), (options.Host, options.Port, options.RequestTimeoutSecs));
        Assert.Equal(("cache_aware", null, null),
            (options.ControlPlane.Policy, options.ControlPlane.PrefillPolicy, options.ControlPlane.DecodePolicy));
        Assert.Empty(options.ControlPlane.Workers);
    }

    [Fact]
    public void Engines_are_named_as_for_the_router()
    {
        var workers = new CommandLineTestBed().Load(
            "--pd-disaggregation", "--prefill", "http://p1:30000", "9001", "--prefill", "http://p2:30000", "none",
            "--prefill", "http://p3:30000", "--decode", "http://d1:30000", "--decode", "http://d2:30000",
            "--worker-urls", "http://w1:8000", "http://w2:8000", "--worker", "http://w3:8000", "--api-key", "k")
                .Options.ControlPlane.Workers;

        Assert.Equal(
            [
                ("p1", WorkerRole.Prefill, 9001), ("p2", WorkerRole.Prefill, null), ("p3", WorkerRole.Prefill, null),
                ("d1", WorkerRole.Decode, null), ("d2", WorkerRole.Decode, null),
                ("w3", WorkerRole.Regular, null), ("w1", WorkerRole.Regular, null), ("w2", WorkerRole.Regular, (int?)null),
            ],
            workers.Select(worker => (worker.Url.Host, worker.Role, worker.BootstrapPort)));
        Assert.All(workers, worker => Assert.Equal("k", worker.ApiKey));
    }

    [Fact]
    public void Engines_named_by_flags_replace_those_of_the_file()
    {
        using var file = new TemporaryFile(
            """
            {"ControlPlane": {"Policy": "random", "Workers": [
                {"Url": "http://f1:1", "Role": "Prefill", "BootstrapPort": 9}, {"Url": "http://f2:1", "Role": "Decode"}]}}
            """, "json");

        var fromFile = new CommandLineTestBed().Load("--config", file.Path).Options.ControlPlane;
        var fromFlag = new CommandLineTestBed().Load("--config", file.Path, "--worker", "http://w:1").Options.ControlPlane;

        Assert.Equal(["f1", "f2"], fromFile.Workers.Select(worker => worker.Url.Host));
        Assert.Equal("random", fromFlag.Policy);
        Assert.Equal(("w", null), (Assert.Single(fromFlag.Workers).Url.Host, fromFlag.Workers[0].BootstrapPort));
    }

    public static TheoryData<string> Policies => [.. PolicyTable.Names];

    [Theory]
    [MemberData(nameof(Policies))]
    public void Every_policy_can_be_chosen_for_either_role(string policy)
    {
        var plane = new CommandLineTestBed().Load("--policy", policy, "--prefill-policy", policy, "--decode-policy", policy)
            .Options.ControlPlane;

        Assert.Equal((policy, policy, policy), (plane.Policy, plane.PrefillPolicy!, plane.DecodePolicy!));
    }

    [Theory]
    [InlineData("--port: 'abc' is not a whole number.", "--port", "abc")]
    [InlineData("--port: 65536 is not between 0 and 65535.", "--port", "65536")]
    [InlineData("--request-timeout-secs: 0 is not between 1 and 86400.", "--request-timeout-secs", "0")]
    [InlineData("--host: may not be empty.", "--host", "")]
    [InlineData("--decode-policy: 'best' is none of cache_aware, least_load, power_of_two, round_robin, random, "
        + "consistent_hashing, session.",
        "--decode-policy", "best")]
    [InlineData("--policy: 'manual' is none of cache_aware, least_load, power_of_two, round_robin, random, "
        + "consistent_hashing, session (nearest to the router's manual: session).", "--policy", "manual")]
    [InlineData("--prefill: 'p1:30000' is not a URL such as http://10.0.0.1:30000.", "--prefill", "p1:30000")]
    [InlineData("--prefill: '70000' is not a bootstrap port; give 1 to 65535, or 'none'.", "--prefill", "http://p:1", "70000")]
    [InlineData("--prefill: '9002' is not a URL such as http://10.0.0.1:30000.", "--prefill", "http://p:1", "9001", "9002")]
    [InlineData("--decode: 'grpc://d:1' is not a URL such as http://10.0.0.1:30000.", "--decode", "grpc://d:1")]
    [InlineData("--decode: 'http://d:1/v1' must be the engine's address alone, without path, query or user.", "--decode",
        "http://d:1/v1")]
    [InlineData("--decode: http://d:1 is named twice.", "--prefill", "http://d:1", "--decode", "http://d:1/")]
    [InlineData("--queue-size: -1 is not between 0 and 1000000.", "--queue-size", "-1")]
    [InlineData("--max-concurrent-requests: -2 is not between -1 and 2147483647.", "--max-concurrent-requests", "-2")]
    [InlineData("--max-running-per-decode-rank: 0 is not between 1 and 2147483647.", "--max-running-per-decode-rank", "0")]
    [InlineData("--decode-slot-factor: 0 is not between 0.01 and 100.", "--decode-slot-factor", "0")]
    [InlineData("--cb-failure-rate: 1.5 is not between 0.01 and 1.", "--cb-failure-rate", "1.5")]
    [InlineData("--health-check-interval-secs: 9999 is not between 0 and 3600.", "--health-check-interval-secs", "9999")]
    [InlineData("--return-wait-secs: 3601 is not between 0 and 3600.", "--return-wait-secs", "3601")]
    [InlineData("--model-alias: 'gpt' is not ALIAS=MODEL.", "--model-alias", "gpt")]
    [InlineData("--model-alias: 'gpt' has two models.", "--model-alias", "gpt=a", "gpt=b")]
    [InlineData("--model-policy: 'a' is not MODEL=PREFILL[,DECODE].", "--model-policy", "a")]
    [InlineData("--model-policy: 'best' is none of cache_aware, least_load, power_of_two, round_robin, random, "
        + "consistent_hashing, session.", "--model-policy", "a=best")]
    [InlineData("--model-policy: 'a' is named twice.", "--model-policy", "a=random", "a=session")]
    [InlineData("--model-policy: 'gpt' is an alias; name its model, 'a'.",
        "--model-alias", "gpt=a", "--model-policy", "gpt=random")]
    [InlineData("--room-ttl-secs: 0 is not between 1 and 86400.", "--room-ttl-secs", "0")]
    [InlineData("--stall-broken-secs: 20 is less than --stall-suspect-secs (30).", "--stall-broken-secs", "20")]
    [InlineData("--dp-ranks: 'gateway' is not explicit, modulo or engine.", "--dp-ranks", "gateway")]
    [InlineData("--log-level: 'loud' is not debug, info, warn or error.", "--log-level", "loud")]
    [InlineData("--config: there is no file nowhere.json.", "--config", "nowhere.json")]
    [InlineData("--backend: only sglang is served, not 'openai'.", "--backend", "openai")]
    public void A_bad_value_is_refused_by_the_name_of_its_flag(string message, params string[] args)
    {
        var error = Assert.Throws<BadInputException>(() => new CommandLineTestBed().Load(args));

        Assert.Equal(message, error.Message);
    }

    [Fact]
    public void Policies_of_models_come_from_flags_the_environment_or_a_file()
    {
        using var file = new TemporaryFile(
            """{"ControlPlane": {"ModelPolicy": ["a=random,session", "b=cache_aware"]}}""", "json");
        var bed = new CommandLineTestBed();
        Assert.Equal(["a=random,session", "b=cache_aware"], bed.Load("--config", file.Path).Options.ControlPlane.ModelPolicy);
        bed = new CommandLineTestBed(("ORLEANSPD_CONTROLPLANE__MODELPOLICY__0", "c=session"));
        Assert.Equal(["c=session"], bed.Load("--config", file.Path).Options.ControlPlane.ModelPolicy);
        var flags = bed.Load("--config", file.Path, "--model-policy", "d=random", "--model-policy", "e=session");
        Assert.Equal(["d=random", "e=session"], flags.Options.ControlPlane.ModelPolicy);
    }

    [Fact]
    public void A_bad_value_from_elsewhere_says_where()
    {
        using var file = new TemporaryFile("""{"Gateway": {"Prot": 1}}""", "json");

        Assert.Equal("--port: -1 is not between 0 and 65535 (given by ORLEANSPD_GATEWAY__PORT).",
            Assert.Throws<BadInputException>(
                () => new CommandLineTestBed(("ORLEANSPD_GATEWAY__PORT", "-1")).Load()).Message);
        Assert.Equal($"Gateway:Prot (given by {file.Path}) is no setting; 'gateway --help' lists them as flags.",
            Assert.Throws<BadInputException>(() => new CommandLineTestBed().Load("--config", file.Path)).Message);
    }

    [Fact]
    public void The_control_plane_is_told_what_the_flags_say()
    {
        var plane = new CommandLineTestBed().Load(
            "--max-running-per-decode-rank", "7", "--decode-slot-factor", "0.5", "--max-prefill-tokens-per-rank", "9",
            "--dp-ranks", "modulo", "--room-ttl-secs", "11", "--prefill-restart-hold-secs", "0", "--cb-failure-threshold", "3",
            "--health-check-interval-secs", "40", "--health-check-timeout-secs", "50", "--max-concurrent-requests", "8")
            .Options.ControlPlane;

        Assert.Equal((7, 0.5, 9), (plane.MaxRunningPerDecodeRank!.Value, plane.DecodeSlotFactor, plane.MaxPrefillTokensPerRank));
        Assert.Equal((DpRankMode.Modulo, 11, 0), (plane.DpRanks, plane.RoomTtlSecs, plane.PrefillRestartHoldSecs));
        Assert.Equal((3, 40, 50, 8),
            (plane.CbFailureThreshold, plane.HealthIntervalSecs, plane.HealthTimeoutSecs, plane.MaxConcurrentRequests));
    }

    [Fact]
    public void A_health_check_is_given_the_time_that_engines_take()
    {
        var settings = new CommandLineTestBed().Load("--health-check-timeout-secs", "5");
        var off = new CommandLineTestBed().Load("--health-check-timeout-secs", "5", "--disable-health-check");

        Assert.Equal(25, settings.Options.ControlPlane.HealthTimeoutSecs);
        Assert.StartsWith("--health-check-timeout-secs: 5 is too short, 25 is used: ", Assert.Single(settings.Warnings));
        Assert.Equal(0, off.Options.ControlPlane.HealthIntervalSecs);
        Assert.Empty(off.Warnings);
    }

    [Fact]
    public void Variables_that_are_no_settings_are_left_alone()
    {
        var options = new CommandLineTestBed(("ORLEANSPD_COLOUR", "red"), ("PATH", "/bin")).Load().Options;

        Assert.Equal(30000, options.Port);
    }

    [Fact]
    public void A_file_that_is_not_json_is_refused()
    {
        using var file = new TemporaryFile("port: 3", "json");

        var error = Assert.Throws<BadInputException>(() => new CommandLineTestBed().Load("--config", file.Path));

        Assert.StartsWith($"--config: {file.Path} is not JSON: ", error.Message);
    }

    [Fact]
    public void Disabled_retries_are_none() =>
        Assert.Equal(0, new CommandLineTestBed().Load("--disable-retries").Options.RetryMaxRetries);

    [Theory]
    [InlineData("--facade-host: is needed with --bootstrap-facade", "--bootstrap-facade")]
    [InlineData("--facade-host: 'a b' is not a host name", "--bootstrap-facade", "--facade-host", "a b")]
    [InlineData("--facade-port-range: ", "--facade-port-range", "9000-10000")]
    [InlineData("--retry-max-retries: 11 is not between 0 and 10", "--retry-max-retries", "11")]
    public void What_cannot_work_is_refused_by_the_name_of_its_flag(string expected, params string[] flags)
    {
        var error = Assert.Throws<BadInputException>(() => new CommandLineTestBed().Load(flags));

        Assert.StartsWith(expected, error.Message);
    }

    [Theory]
    [InlineData("debug", "Debug")]
    [InlineData("info", "Information")]
    [InlineData("warn", "Warning")]
    [InlineData("error", "Error")]
    public void Log_levels_are_the_routers_words(string level, string expected) =>
        Assert.Equal(expected, new CommandLineTestBed().Load("--log-level", level).Logging["LogLevel:Default"]);
}
