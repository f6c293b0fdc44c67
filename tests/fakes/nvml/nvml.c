/* A stand-in for NVIDIA's libnvidia-ml.so.1, for tests on machines without a GPU.

   It answers the calls that bgecheck makes through the true pynvml. What it answers stands in the text
   file named by FAKE_NVML, one `key=value` a line:

       init=hang                 nvmlInit never returns
       init=!18                  a value "!N" makes the call that reads it return NVML error N
       driver=580.65.06          cuda=13000          count=1
       gpu0.memory=total,used    bytes
       gpu0.compute=pid:bytes,pid:-     "-" is "not available", as in containers and under WSL
       gpu0.mig=1                gpu0.mig0.name=...  fields of a MIG instance stand under its own prefix

   A key that is not there is NVML_ERROR_NOT_SUPPORTED. The layouts follow the public header nvml.h; that a
   real driver answers in the same way is not shown by it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int Return;
typedef unsigned int Uint;
typedef unsigned long long Ulong;
typedef struct Device { Uint gpu; int instance; } *Handle;

enum { SUCCESS = 0, UNINITIALIZED = 1, INVALID = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, TOO_SMALL = 7 };
enum { GPUS = 8, INSTANCES = 7, WIDTH = 4096 };

static int ready;
static struct Device devices[GPUS], instances[GPUS][INSTANCES];

/* The value of a key, or the error that stands for it. */
static Return value_of(const char *key, char *value)
{
    const char *path = getenv("FAKE_NVML");
    FILE *file = path ? fopen(path, "r") : NULL;
    size_t length = strlen(key);
    Return result = NOT_SUPPORTED;
    char line[WIDTH];
    if (!file) return NOT_SUPPORTED;
    while (fgets(line, sizeof line, file)) {
        if (strncmp(line, key, length) || line[length] != '=') continue;
        line[strcspn(line, "\r\n")] = 0;
        strcpy(value, line + length + 1);
        result = value[0] == '!' ? atoi(value + 1) : SUCCESS;
    }
    fclose(file);
    return result;
}

static Return field_of(Handle device, const char *field, char *value)
{
    char key[128];
    if (!ready) return UNINITIALIZED;
    if (!device) return INVALID;
    if (device->instance < 0) snprintf(key, sizeof key, "gpu%u.%s", device->gpu, field);
    else snprintf(key, sizeof key, "gpu%u.mig%d.%s", device->gpu, device->instance, field);
    return value_of(key, value);
}

static Return numbers_of(Handle device, const char *field, Ulong *out, int wanted)
{
    char value[WIDTH], *rest = value;
    Return result = field_of(device, field, value);
    for (int i = 0; !result && i < wanted; i++) {
        out[i] = strtoull(rest, &rest, 0);
        if (*rest == ',') rest++;
    }
    return result;
}

static Return number_of(Handle device, const char *field, Uint *out)
{
    Ulong number = 0;
    Return result = numbers_of(device, field, &number, 1);
    if (!result) *out = (Uint)number;
    return result;
}

static Return copy(const char *value, char *out, Uint size)
{
    if (strlen(value) + 1 > size) return TOO_SMALL;
    strcpy(out, value);
    return SUCCESS;
}

static Return text_of(Handle device, const char *field, char *out, Uint size)
{
    char value[WIDTH];
    Return result = field_of(device, field, value);
    return result ? result : copy(value, out, size);
}

static Return system_value(const char *key, char *value) { return ready ? value_of(key, value) : UNINITIALIZED; }

Return nvmlInitWithFlags(Uint flags)
{
    char value[WIDTH] = "";
    Return result = value_of("init", value);
    (void)flags;
    if (result && result != NOT_SUPPORTED) return result;
    while (!strcmp(value, "hang")) pause();
    for (Uint gpu = 0; gpu < GPUS; gpu++) {
        devices[gpu] = (struct Device){gpu, -1};
        for (int i = 0; i < INSTANCES; i++) instances[gpu][i] = (struct Device){gpu, i};
    }
    ready++;
    return SUCCESS;
}

Return nvmlInit_v2(void) { return nvmlInitWithFlags(0); }

/* Leaves a trace, so that a test can see that it was called. */
Return nvmlShutdown(void)
{
    char path[WIDTH];
    if (!ready) return UNINITIALIZED;
    ready--;
    if (!value_of("shutdown", path)) fclose(fopen(path, "w"));
    return SUCCESS;
}

const char *nvmlErrorString(Return result)
{
    static char text[40];
    snprintf(text, sizeof text, "stand-in error %d", result);
    return text;
}

Return nvmlSystemGetDriverVersion(char *out, Uint size)
{
    char value[WIDTH];
    Return result = system_value("driver", value);
    return result ? result : copy(value, out, size);
}

Return nvmlSystemGetCudaDriverVersion(int *out)
{
    char value[WIDTH];
    Return result = system_value("cuda", value);
    if (!result) *out = atoi(value);
    return result;
}

Return nvmlDeviceGetCount_v2(Uint *out)
{
    char value[WIDTH];
    Return result = system_value("count", value);
    if (!result) *out = (Uint)atoi(value);
    return result;
}

Return nvmlDeviceGetHandleByIndex_v2(Uint index, Handle *out)
{
    char value[WIDTH];
    if (index >= GPUS) return INVALID;
    Return result = field_of(&devices[index], "handle", value);
    if (result && result != NOT_SUPPORTED) return result;
    *out = &devices[index];
    return SUCCESS;
}

Return nvmlDeviceGetName(Handle device, char *out, Uint size) { return text_of(device, "name", out, size); }
Return nvmlDeviceGetUUID(Handle device, char *out, Uint size) { return text_of(device, "uuid", out, size); }

struct Memory { Ulong total, free, used; };

Return nvmlDeviceGetMemoryInfo(Handle device, struct Memory *out)
{
    Ulong told[2];
    Return result = numbers_of(device, "memory", told, 2);
    if (!result) *out = (struct Memory){told[0], told[0] - told[1], told[1]};
    return result;
}

Return nvmlDeviceGetCudaComputeCapability(Handle device, int *major, int *minor)
{
    Ulong told[2];
    Return result = numbers_of(device, "capability", told, 2);
    if (!result) *major = (int)told[0], *minor = (int)told[1];
    return result;
}

Return nvmlDeviceGetTemperature(Handle device, Uint sensor, Uint *out)
{
    return sensor == 0 ? number_of(device, "temperature", out) : INVALID;
}

Return nvmlDeviceGetTemperatureThreshold(Handle device, Uint threshold, Uint *out)
{
    return threshold == 1 ? number_of(device, "slowdown", out) : NOT_SUPPORTED;
}

Return nvmlDeviceGetCurrentClocksThrottleReasons(Handle device, Ulong *out)
{
    return numbers_of(device, "throttle", out, 1);
}

Return nvmlDeviceGetClockInfo(Handle device, Uint clock, Uint *out)
{
    return clock == 1 ? number_of(device, "clock", out) : INVALID;
}

Return nvmlDeviceGetTotalEccErrors(Handle device, Uint kind, Uint counter, Ulong *out)
{
    return kind == 1 && counter == 0 ? numbers_of(device, "ecc", out, 1) : NOT_SUPPORTED;
}

Return nvmlDeviceGetRetiredPagesPendingStatus(Handle device, Uint *out) { return number_of(device, "retiring", out); }

Return nvmlDeviceGetRemappedRows(Handle device, Uint *corrected, Uint *uncorrected, Uint *pending, Uint *failed)
{
    Ulong told[4];
    Return result = numbers_of(device, "remapped", told, 4);
    if (result) return result;
    *corrected = (Uint)told[0], *uncorrected = (Uint)told[1], *pending = (Uint)told[2], *failed = (Uint)told[3];
    return SUCCESS;
}

Return nvmlDeviceGetMigMode(Handle device, Uint *current, Uint *pending)
{
    Return result = number_of(device, "mig", current);
    if (!result) *pending = *current;
    return result;
}

Return nvmlDeviceGetMaxMigDeviceCount(Handle device, Uint *out)
{
    (void)device;
    *out = INSTANCES;
    return SUCCESS;
}

Return nvmlDeviceGetMigDeviceHandleByIndex(Handle device, Uint index, Handle *out)
{
    char value[WIDTH];
    if (index >= INSTANCES || field_of(&instances[device->gpu][index], "name", value)) return NOT_FOUND;
    *out = &instances[device->gpu][index];
    return SUCCESS;
}

struct Process { Uint pid; Ulong used; Uint gpu_instance, compute_instance; };

/* With too little room it tells how many there are and fails, which is how callers ask for the number. */
static Return processes_of(Handle device, const char *field, Uint *count, struct Process *out)
{
    char value[WIDTH], *rest = value;
    Return result = field_of(device, field, value);
    Uint found = 0, room = out ? *count : 0;
    if (result) return result;
    while (*rest) {
        Uint pid = (Uint)strtoul(rest, &rest, 10);
        Ulong used = ~0ULL;
        if (*rest == ':' && rest[1] == '-') rest += 2;
        else if (*rest == ':') used = strtoull(rest + 1, &rest, 10);
        if (found < room) out[found] = (struct Process){pid, used, ~0u, ~0u};
        found++;
        if (*rest) rest++;
    }
    *count = found;
    return found > room ? TOO_SMALL : SUCCESS;
}

Return nvmlDeviceGetComputeRunningProcesses_v3(Handle device, Uint *count, struct Process *out)
{
    return processes_of(device, "compute", count, out);
}

Return nvmlDeviceGetGraphicsRunningProcesses_v3(Handle device, Uint *count, struct Process *out)
{
    return processes_of(device, "graphics", count, out);
}
