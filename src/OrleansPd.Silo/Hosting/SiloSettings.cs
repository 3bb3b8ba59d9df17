using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Configuration;
using OrleansPd.Cluster;
using OrleansPd.Server.Commands;

namespace OrleansPd.Silo.Hosting;

/// <summary>What a silo was told besides its gateway's settings: a flag beats the environment, which beats the file.</summary>
internal sealed record SiloSettings(SiloOptions Silo, ClusterOptions Cluster)
{
    private const string Prefix = "ORLEANSPD_";

    /// <param name="file">JSON file; null = none.</param>
    /// <param name="environment">The process's environment.</param>
    /// <param name="flags">Settings that were given by flags, under their keys.</param>
    /// <exception cref="BadInputException">Something is wrong; the message names the setting.</exception>
    public static SiloSettings Load(string? file, IReadOnlyDictionary<string, string> environment, IReadOnlyDictionary<string, string?> flags)
    {
        var builder = new ConfigurationBuilder();
        if (file is not null)
        {
            builder.AddJsonFile(Path.GetFullPath(file)); // read and judged before, with the gateway's settings
        }
        builder.AddInMemoryCollection(environment
            .Where(e => e.Key.StartsWith(Prefix + "SILO__", StringComparison.OrdinalIgnoreCase)
                || e.Key.StartsWith(Prefix + "CLUSTER__", StringComparison.OrdinalIgnoreCase))
            .Select(e => KeyValuePair.Create(e.Key[Prefix.Length..].Replace("__", ":", StringComparison.Ordinal), (string?)e.Value)));
        builder.AddInMemoryCollection(flags);
        var configuration = builder.Build();
        var settings = new SiloSettings(new SiloOptions(), new ClusterOptions());
        Bind(configuration.GetSection("Silo"), settings.Silo);
        Bind(configuration.GetSection("Cluster"), settings.Cluster);
        return settings;
    }

    private static void Bind(IConfigurationSection section, object options)
    {
        try
        {
            section.Bind(options, binder => binder.ErrorOnUnknownConfiguration = true);
            Validator.ValidateObject(options, new ValidationContext(options), validateAllProperties: true);
        }
        catch (InvalidOperationException error)
        {
            throw new BadInputException($"{section.Key}: {(error.InnerException ?? error).Message}");
        }
        catch (ValidationException error)
        {
            throw new BadInputException($"{section.Key}: {error.Message}");
        }
    }
}
