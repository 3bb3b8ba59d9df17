using Microsoft.Extensions.Configuration;
using OrleansPd.Gateway.Options;

namespace OrleansPd.Server.Settings;

/// <summary>
/// The settings of a gateway, checked. A flag beats the environment, which beats the file, which beats the default.
/// </summary>
internal sealed record GatewaySettings(
    GatewayOptions Options, IConfigurationRoot Configuration, SettingSources Sources, IReadOnlyList<string> Warnings)
{
    public IConfiguration Logging => Configuration.GetSection(Sections.Logging);

    /// <exception cref="BadInputException">Something is wrong; the message names the flag.</exception>
    public static GatewaySettings Load(ParseResult parsed, GatewayFlagSet flags, IReadOnlyDictionary<string, string> environment)
    {
        var warnings = new List<string>();
        flags.CheckRouterFlags(parsed, warnings);
        var sources = new SettingSources();
        if (parsed.GetValue(flags.Config) is { } file)
            sources.AddFile(file);
        sources.AddEnvironment(environment);
        sources.Add("", flags.Workers.Read(parsed));
        sources.Add("", flags.Read(parsed));
        if (sources.Keys.FirstOrDefault(key => SettingPath.IsSection(key) && !SettingPath.Exists(key)) is { } unknown)
        {
            var command = parsed.CommandResult.Command.Name;
            throw new BadInputException(
                $"{unknown}{Where(sources, unknown)} is no setting; '{command} --help' lists them as flags.");
        }
        foreach (var flag in GatewayFlags.All)
            CheckForm(flag, sources);
        GiveWorkersTheKey(sources, parsed.GetValue(flags.Workers.ApiKey));
        var configuration = sources.Build();
        var options = new GatewayOptions();
        try
        {
            configuration.GetSection(Sections.Gateway).Bind(options);
            configuration.GetSection(Sections.ControlPlane).Bind(options.ControlPlane);
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
            return;
        if (!sources.Has("Gateway:ApiKey"))
            sources.Set("Gateway:ApiKey", apiKey);
        for (var i = 0; sources.Has(WorkerKey(i)); i++)
        {
            if (!sources.Has($"{WorkerKey(i)}:ApiKey"))
                sources.Set($"{WorkerKey(i)}:ApiKey", apiKey);
        }

        static string WorkerKey(int index) => $"ControlPlane:Workers:{index.ToString(CultureInfo.InvariantCulture)}";
    }

    private static void CheckForm(GatewayFlag flag, SettingSources sources)
    {
        if (sources.Value(flag.Key) is not { } value)
            return;
        if (flag.Problem(value) is { } problem)
            throw new BadInputException($"{flag.Display}: '{value}' {problem}{Where(sources, flag.Key)}.");
        sources.Set(flag.Key, flag.Normalize(value));
    }
}
