using System.ComponentModel.DataAnnotations;

namespace OrleansPd.Silo.Hosting;

/// <summary>Where a silo stands and how it finds the others. Configuration section <c>Silo</c>.</summary>
internal sealed class SiloOptions
{
    /// <summary>Redis as <c>HOST:PORT</c>, or any connection string of StackExchange.Redis. Needed by <c>run</c>.</summary>
    public string? Redis { get; set; }

    /// <summary>Name of the cluster: silos of one name form one. Default <c>orleanspd</c>.</summary>
    [Required]
    public string ClusterId { get; set; } = "orleanspd";

    /// <summary>Name of the service: what is stored belongs to it, across clusters that follow each other. Default <c>orleanspd</c>.</summary>
    [Required]
    public string ServiceId { get; set; } = "orleanspd";

    /// <summary>Port on which silos talk to each other, 1-65535. Default 11111.</summary>
    [Range(1, 65535)]
    public int SiloPort { get; set; } = 11111;

    /// <summary>Port for .NET services that use the cluster, 0-65535; 0 = none may. Default 11112.</summary>
    [Range(0, 65535)]
    public int GatewayPort { get; set; } = 11112;

    /// <summary>Address under which other silos reach this one; null = the first of this machine's that is no loopback, else 127.0.0.1.</summary>
    public string? Advertise { get; set; }

    /// <summary>Name of the machine; a worker's writer prefers the silo on its engine's. Default: the machine's name.</summary>
    [Required]
    public string Node { get; set; } = Environment.MachineName;

    /// <summary>Name of what fails together. Default <c>default</c>.</summary>
    [Required]
    public string Zone { get; set; } = "default";

    /// <summary>
    /// Milliseconds that a probe of another silo may take, 100-60000. Default 500. Shorter finds the dead sooner and takes a process that
    /// stood still (garbage collection, a suspended machine) for dead.
    /// </summary>
    [Range(100, 60_000)]
    public int ProbeTimeoutMs { get; set; } = 500;

    /// <summary>Probes missed in a row that make a silo suspect, 1-100. Default 2.</summary>
    [Range(1, 100)]
    public int MissedProbes { get; set; } = 2;

    /// <summary>Silos that must suspect one to declare it dead, 1-100; all others where there are fewer. Default 2.</summary>
    [Range(1, 100)]
    public int DeathVotes { get; set; } = 2;

    /// <summary>Ask a third silo before suspecting one. Default false: it doubles the time until a frozen silo is found.</summary>
    public bool IndirectProbes { get; set; }
}
