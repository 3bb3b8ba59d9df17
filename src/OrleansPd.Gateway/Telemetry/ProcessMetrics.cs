using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace OrleansPd.Gateway.Telemetry;

/// <summary>What this process itself uses, under the names that Prometheus' own client libraries have.</summary>
internal static class ProcessMetrics
{
    public static void Write(StringBuilder text)
    {
        using var process = Process.GetCurrentProcess();
        GatewayMetrics.Header(text, "process_cpu_seconds_total", "counter", "CPU time used, in user and kernel mode.");
        text.Append(CultureInfo.InvariantCulture, $"process_cpu_seconds_total {process.TotalProcessorTime.TotalSeconds:0.000}\n");
        GatewayMetrics.Gauge(text, "process_resident_memory_bytes", "Resident memory.", process.WorkingSet64);
        GatewayMetrics.Gauge(text, "process_num_threads", "Threads.", process.Threads.Count);
        GatewayMetrics.Counter(text, "dotnet_gc_allocated_bytes_total", "Managed memory allocated.", GC.GetTotalAllocatedBytes());
        GatewayMetrics.Gauge(text, "dotnet_gc_heap_bytes", "Managed memory in use, not yet collected included.", GC.GetTotalMemory(forceFullCollection: false));
        GatewayMetrics.Header(text, "dotnet_gc_collections_total", "counter", "Garbage collections, by generation.");
        for (var generation = 0; generation <= GC.MaxGeneration; generation++)
        {
            text.Append(CultureInfo.InvariantCulture, $"dotnet_gc_collections_total{{generation=\"{generation}\"}} {GC.CollectionCount(generation)}\n");
        }
    }
}
