using System.Diagnostics;

namespace OrleansPd.Gateway.Telemetry;

/// <summary>What this process itself uses, under the names that Prometheus' own client libraries have.</summary>
internal static class ProcessMetrics
{
    public static void Write(PromText text)
    {
        using var process = Process.GetCurrentProcess();
        text.Family("process_cpu_seconds_total", "counter", "CPU time used, in user and kernel mode.")
            .Sample(Math.Round(process.TotalProcessorTime.TotalSeconds, 3));
        text.Gauge("process_resident_memory_bytes", "Resident memory.", process.WorkingSet64);
        text.Gauge("process_num_threads", "Threads.", process.Threads.Count);
        text.Counter("dotnet_gc_allocated_bytes_total", "Managed memory allocated.", GC.GetTotalAllocatedBytes());
        text.Gauge("dotnet_gc_heap_bytes", "Managed memory in use, not yet collected included.", GC.GetTotalMemory(
            forceFullCollection: false));
        text.Family("dotnet_gc_collections_total", "counter", "Garbage collections, by generation.");
        for (var generation = 0; generation <= GC.MaxGeneration; generation++)
            text.Sample(GC.CollectionCount(generation), $"generation=\"{generation}\"");
    }
}
