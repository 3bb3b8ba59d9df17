using System.Globalization;

namespace OrleansPd.Benchmarks.Gateway;

/// <summary>What a process and its children have used, as the kernel counts it.</summary>
internal static class ProcessMeter
{
    private const double TicksPerSecond = 100; // USER_HZ, which Linux keeps at 100 for all who read /proc

    /// <summary>Seconds of CPU, in user and kernel mode, dead threads included.</summary>
    public static double CpuSeconds(int process) => Tree(process).Sum(id =>
    {
        var stat = Read($"/proc/{id}/stat");
        // The name may hold spaces; what follows its bracket does not.
        var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        return fields.Length > 12 ? (Number(fields[11]) + Number(fields[12])) / TicksPerSecond : 0;
    });

    /// <summary>Largest resident memory so far, in bytes.</summary>
    public static long PeakMemory(int process) => Tree(process).Sum(id => Kilobytes($"/proc/{id}/status", "VmHWM:"));

    /// <summary>Resident memory now, in bytes.</summary>
    public static long Memory(int process) => Tree(process).Sum(id => Kilobytes($"/proc/{id}/status", "VmRSS:"));

    /// <summary>Starts the measuring of the peak anew; does nothing where the kernel does not allow it.</summary>
    public static void ForgetPeak(int process)
    {
        try
        {
            File.WriteAllText($"/proc/{process}/clear_refs", "5");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The peak then is that of the whole life.
        }
    }

    private static IEnumerable<int> Tree(int process)
    {
        yield return process;
        foreach (var child in Read($"/proc/{process}/task/{process}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            foreach (var below in Tree(int.Parse(child, CultureInfo.InvariantCulture)))
                yield return below;
        }
    }

    private static long Kilobytes(string file, string name)
    {
        foreach (var line in Read(file).Split('\n'))
        {
            if (line.StartsWith(name, StringComparison.Ordinal))
                return (long)Number(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]) * 1024;
        }
        return 0;
    }

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);

    private static string Read(string file)
    {
        try
        {
            return File.ReadAllText(file);
        }
        catch (IOException)
        {
            return "";
        }
    }
}
