using OrleansPd.Core.Options;
using OrleansPd.Gateway.Options;
using OrleansPd.Server.Settings;
using OrleansPd.Tools.Output;

namespace OrleansPd.Server.Tests.Settings;

public sealed class RouterFlagTests
{
    public static TheoryData<string> Ignored => [.. RouterFlags.All.Where(flag => !flag.Refused).Select(flag => flag.Name)];

    public static TheoryData<string> Refused => [.. RouterFlags.All.Where(flag => flag.Refused).Select(flag => flag.Name)];

    public static TheoryData<string> Served => [.. GatewayFlags.All.Select(flag => flag.Name)];

    [Theory]
    [MemberData(nameof(Ignored))]
    public void A_flag_of_the_router_without_meaning_here_is_accepted_with_a_warning(string name)
    {
        var flag = RouterFlags.All.Single(flag => flag.Name == name);

        var settings = new CommandLineTestBed().Load([flag.Display, .. Enumerable.Repeat("1", flag.Values), "--port", "5"]);

        Assert.Equal($"--{name} is ignored: {flag.Reason}.", Assert.Single(settings.Warnings));
        Assert.Equal(5, settings.Options.Port);
    }

    [Theory]
    [MemberData(nameof(Refused))]
    public void A_flag_whose_user_relies_on_it_is_refused(string name)
    {
        var flag = RouterFlags.All.Single(flag => flag.Name == name);

        var error = Assert.Throws<BadInputException>(
            () => new CommandLineTestBed().Load([flag.Display, .. Enumerable.Repeat("1", flag.Values)]));

        Assert.Equal($"--{name} is not served: {flag.Reason}.", error.Message);
    }

    [Theory]
    [MemberData(nameof(Served))]
    public void Every_flag_stands_for_a_setting_that_exists_and_parses_without_warning(string name)
    {
        var flag = GatewayFlags.All.Single(flag => flag.Name == name);
        string[] value = flag switch
        {
            { IsSwitch: true } => [],
            { Value: "POLICY" } => ["random"],
            // Seconds, bytes and blocks have different limits.
            { Range.Length: > 0 } => [name switch
            {
                "max-payload-size" or "prefix-index-blocks" or "probe-timeout-ms" => "2048",
                "retry-max-retries" or "death-votes" => "7",
                "decode-slot-factor" or "cb-failure-rate" or "trace-sample-ratio" => "0.5",
                "missed-probes" => "9",
                _ => "120",
            }],
            _ => [name switch
            {
                "advertise" => "10.0.0.1",
                "dp-ranks" => "modulo",
                "upstream" => "handler",
                "transport" => "sockets",
                "log-level" => "warn",
                "log-format" => "json",
                "facade-port-range" => "40000-40099",
                "client-keys" => "name=x,key=y,rpm=1",
                "model-alias" => "x=y",
                "model-policy" => "x=random,least_load",
                _ => "x",
            }],
        };
        string[] with = name switch
        {
            "bootstrap-facade" => ["--facade-host", "10.0.0.1"],
            "client-keys" => ["--admin-api-key", "x"],
            _ => [],
        };

        var settings = new CommandLineTestBed().Load([flag.Display, .. value, .. with]);

        Assert.True(SettingPath.Exists(flag.Key), $"{flag.Display} maps to {flag.Key}, which is no option");
        Assert.Empty(settings.Warnings);
    }

    public static TheoryData<string> Settings =>
        [.. KeysOf("Gateway", typeof(GatewayOptions)).Concat(KeysOf("ControlPlane", typeof(ControlPlaneOptions)))
            // The last one is set by --api-key, which the workers' flags have.
            .Except(["Gateway:ControlPlane", "ControlPlane:Workers", "Gateway:ApiKey"])];

    [Fact]
    public void The_api_key_is_for_engines_and_asked_of_clients_as_with_the_router()
    {
        var settings = new CommandLineTestBed().Load("--decode", "http://d:1", "--api-key", "k", "--admin-api-key", "a");
        Assert.Equal(("k", "k"), (settings.Options.ApiKey, settings.Options.ControlPlane.Workers.Single().ApiKey));
    }

    [Theory]
    [MemberData(nameof(Settings))]
    public void Every_setting_has_a_flag(string key) => Assert.Contains(GatewayFlags.All, flag => flag.Key == key);

    [Fact]
    public void No_flag_is_in_two_tables() =>
        Assert.Empty(RouterFlags.All.Select(flag => flag.Name).Concat(GatewayFlags.All.Select(flag => flag.Name))
            .GroupBy(name => name).Where(group => group.Count() > 1).Select(group => group.Key));

    private static IEnumerable<string> KeysOf(string section, Type type) =>
        type.GetProperties().Select(property => $"{section}:{property.Name}");
}
