using System.CommandLine;
using System.Globalization;
using Microsoft.Extensions.Configuration;
using OrleansPd.Core.Policies;
using OrleansPd.Core.Workers;
using OrleansPd.Gateway.Options;
using OrleansPd.Net.Http1;
using OrleansPd.Tools.Output;

namespace OrleansPd.Server.Settings;

/// <summary>
/// What the gateway was told, checked: a flag beats the environment, which beats the file, which beats the default.
/// </summary>
internal sealed record GatewaySettings(
    GatewayOptions Options, IConfigurationRoot Configuration, SettingSources Sources, IReadOnlyList<string> Warnings)
{
    public IConfiguration Logging => Configuration.GetSection("Logging");

    /// <exception cref="BadInputException">Something is wrong; the message names the flag.</exception>
    public static GatewaySettings Load(
        ParseResult parsed, GatewayFlagSet flags, IReadOnlyDictionary<string, string> environment)
    {
        var warnings = new List<string>();
        flags.CheckRouterFlags(parsed, warnings);
        var sources = new SettingSources(flags.Settings);
        if (parsed.GetValue(flags.Config) is { } file)
        {
            sources.AddFile(file);
        }

        sources.AddEnvironment(environment);
        sources.Add("", flags.Workers.Read(parsed));
        sources.Add("", flags.Read(parsed));
        if (sources.Keys.FirstOrDefault(key => flags.Settings.IsSection(key) && !flags.Settings.Exists(key)) is { } unknown)
        {
            throw new BadInputException(
                $"{unknown}{Where(sources, unknown)} is no setting; '{parsed.CommandResult.Command.Name} --help' lists them as flags.");
        }

        foreach (var flag in flags.All)
        {
            CheckForm(flag, sources);
        }

        GiveWorkersTheKey(sources, parsed.GetValue(flags.Workers.ApiKey));
        var configuration = sources.Build();
        var options = new GatewayOptions();
        try
        {
            configuration.GetSection("Gateway").Bind(options);
            configuration.GetSection("ControlPlane").Bind(options.ControlPlane);
        }
        catch (InvalidOperationException error)
        {
            // Settings without a flag: the binder's message names the key and the value.
            throw new BadInputException((error.InnerException ?? error).Message);
        }

        SettingChecks.Check(options, sources, warnings);
        return new(options, configuration, sources, warnings);
    }

    internal static string Where(SettingSources sources, string key) =>
        sources.Source(key) is { Length: > 0 } source ? $" (given by {source})" : "";

    private static void GiveWorkersTheKey(SettingSources sources, string? apiKey)
    {
        if (apiKey is null)
        {
            return;
        }

        if (!sources.Has("Gateway:ApiKey"))
        {
            sources.Set("Gateway:ApiKey", apiKey);
        }

        for (var i = 0; sources.Has(WorkerKey(i)); i++)
        {
            if (!sources.Has($"{WorkerKey(i)}:ApiKey"))
            {
                sources.Set($"{WorkerKey(i)}:ApiKey", apiKey);
            }
        }

        static string WorkerKey(int index) => $"ControlPlane:Workers:{index.ToString(CultureInfo.InvariantCulture)}";
    }

    private static void CheckForm(GatewayFlag flag, SettingSources sources)
    {
        if (sources.Value(flag.Key) is not { } value)
        {
            return;
        }

        var wanted = flag.Kind switch
        {
            FlagKind.Whole => long.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _)
                ? null
                : "is not a whole number",
            FlagKind.Number => double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
                && double.IsFinite(number)
                ? null
                : "is not a number",
            FlagKind.Switch when flag.Means is not null => null,
            FlagKind.Switch => bool.TryParse(value, out _) ? null : "is not true or false",
            FlagKind.Ranks => Enum.GetNames<DpRankMode>().Contains(value, StringComparer.OrdinalIgnoreCase)
                ? null
                : "is not explicit, modulo or engine",
            FlagKind.Upstream => Enum.GetNames<UpstreamKind>().Contains(value, StringComparer.OrdinalIgnoreCase)
                ? null
                : "is not direct or handler",
            FlagKind.Transport => Enum.GetNames<TransportKind>().Contains(value, StringComparer.OrdinalIgnoreCase)
                ? null
                : "is not loop or sockets",
            FlagKind.Policy => PolicyTable.Problem(value),
            FlagKind.LogFormat => value is "text" or "json" ? null : "is not text or json",
            FlagKind.LogLevel => LogLevels.Parse(value) is { } level ? SetLevel(level) : "is not debug, info, warn or error",
            _ => null,
        };
        if (wanted is not null)
        {
            throw new BadInputException($"{flag.Display}: '{value}' {wanted}{Where(sources, flag.Key)}.");
        }

        string? SetLevel(string level)
        {
            sources.Set(flag.Key, level);
            return null;
        }
    }
}
