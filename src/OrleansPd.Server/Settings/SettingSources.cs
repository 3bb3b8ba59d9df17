using System.Text.RegularExpressions;
using Microsoft.Extensions.Configuration;

namespace OrleansPd.Server.Settings;

/// <summary>
/// Settings from several sources, and the source of each. Later sources override earlier ones; a list is taken whole from the
/// last source that has it.
/// </summary>
internal sealed partial class SettingSources
{
    private const string EnvironmentPrefix = "ORLEANSPD_";

    private readonly Dictionary<string, (string? Value, string Source)> _settings = new(StringComparer.OrdinalIgnoreCase);

    public IEnumerable<string> Keys => _settings.Keys;

    public void Add(string source, IReadOnlyDictionary<string, string?> settings) => Add(settings, _ => source);

    public void AddFile(string name)
    {
        if (!File.Exists(name))
            throw new BadInputException($"--config: there is no file {name}.");
        try
        {
            var file = new ConfigurationBuilder().AddJsonFile(Path.GetFullPath(name)).Build();
            Add(name, file.AsEnumerable().Where(pair => pair.Value is not null)
                .ToDictionary(pair => pair.Key, pair => pair.Value));
        }
        catch (Exception error) when (error is InvalidDataException or FormatException)
        {
            throw new BadInputException($"--config: {name} is not JSON: {error.GetBaseException().Message}");
        }
    }

    /// <summary><c>ORLEANSPD_GATEWAY__PORT</c> is <c>Gateway:Port</c>.</summary>
    public void AddEnvironment(IReadOnlyDictionary<string, string> environment)
    {
        var settings = environment
            .Where(variable => variable.Key.StartsWith(EnvironmentPrefix, StringComparison.OrdinalIgnoreCase))
            .Select(variable =>
                (Key: variable.Key[EnvironmentPrefix.Length..].Replace("__", ":"), variable.Value, Name: variable.Key))
            .Where(setting => SettingPath.IsSection(setting.Key))
            .ToArray();
        var names = settings.ToDictionary(setting => setting.Key, setting => setting.Name, StringComparer.OrdinalIgnoreCase);
        Add(settings.ToDictionary(setting => setting.Key, setting => (string?)setting.Value), key => names[key]);
    }

    public string? Value(string key) => _settings.GetValueOrDefault(key).Value;

    /// <summary>The source of a setting; null if it is not set.</summary>
    public string? Source(string key) => _settings.GetValueOrDefault(key).Source;

    public void Set(string key, string? value) => _settings[key] = (value, _settings.GetValueOrDefault(key).Source ?? "");

    public void Remove(string key)
    {
        foreach (var known in _settings.Keys.Where(known => IsUnder(known, key)).ToArray())
            _settings.Remove(known);
    }

    public bool Has(string key) => _settings.Keys.Any(known => IsUnder(known, key));

    public IConfigurationRoot Build() => new ConfigurationBuilder()
        .AddInMemoryCollection(_settings.Where(setting => setting.Value.Value is not null)
            .Select(setting => KeyValuePair.Create(setting.Key, setting.Value.Value)))
        .Build();

    private void Add(IReadOnlyDictionary<string, string?> settings, Func<string, string> source)
    {
        foreach (var list in settings.Keys.Select(key => ListItem().Match(key)).Where(match => match.Success)
                     .Select(match => match.Groups[1].Value).Distinct(StringComparer.OrdinalIgnoreCase))
        {
            Remove(list);
        }
        foreach (var (key, value) in settings)
            _settings[key] = (value, source(key));
    }

    private static bool IsUnder(string key, string parent) => key.Equals(parent, StringComparison.OrdinalIgnoreCase)
            || key.StartsWith(parent + ":", StringComparison.OrdinalIgnoreCase);

    [GeneratedRegex("^(.*?):[0-9]+(:|$)")]
    private static partial Regex ListItem();
}
